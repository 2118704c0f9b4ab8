import { Controller, Get, Header, Param } from '@nestjs/common'
import { ERRORS, echo, errorSlug, isErrorCode } from '#domain/errors.js'
import { Problem } from './http/problem.js'

/** The pages that the `type` of a problem names: what a code means, and what to do. */
@Controller('docs/errors')
export class ErrorPagesController {
  @Get(':slug')
  @Header('content-type', 'text/plain; charset=utf-8')
  page(@Param('slug') slug: string): string {
    const code = slug.replaceAll('-', '_')
    if (!isErrorCode(code) || errorSlug(code) !== slug) {
      throw new Problem('not_found', `There is no error called ${echo(slug)}`)
    }
    const { status, title, hint, retry } = ERRORS[code]
    const again = retry
      ? 'Waiting helps: send it again after Retry-After.'
      : 'The same request will meet the same answer.'
    return `${code} (HTTP ${status})\n\n${title}\n\nWhat to do: ${hint}\n${again}\n`
  }
}
