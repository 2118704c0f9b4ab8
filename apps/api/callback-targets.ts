import { Inject, Injectable } from '@nestjs/common'
import { type CallbackClient, UrlNotAllowed } from '#adapters/callback-client.js'
import { Problem } from './http/problem.js'
import { CALLBACKS } from './tokens.js'

/** Refuses a URL to call back when it is given, not only when it would be called. */
@Injectable()
export class CallbackTargets {
  constructor(@Inject(CALLBACKS) private readonly client: CallbackClient) {}

  /** @throws Problem url_not_allowed */
  async check(url: string | undefined): Promise<void> {
    if (url === undefined) return
    try {
      await this.client.check(url)
    } catch (error) {
      if (!(error instanceof UrlNotAllowed)) throw error
      const message = error.message
      throw new Problem('url_not_allowed', `The callback_url may not be called: ${message}`, {
        errors: [{ pointer: '/callback_url', code: 'url_not_allowed', message }],
      })
    }
  }
}
