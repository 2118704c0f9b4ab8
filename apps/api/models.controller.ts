import { Controller, Get, Inject, Query } from '@nestjs/common'
import { echo } from '#domain/errors.js'
import { type Model, ModelFailure } from '#turns/ports.js'
import { Problem } from './http/problem.js'
import { asQuery, type QueryReader } from './http/query.js'
import { PROVIDERS } from './tokens.js'
import { renderModel } from './wire/model-wire.js'

const LIST_TIMEOUT_MS = 10_000

/** The models an agent can be given. */
@Controller('v1/models')
export class ModelsController {
  constructor(@Inject(PROVIDERS) private readonly providers: { readonly model: Model }) {}

  @Get()
  async list(@Query(asQuery) query: QueryReader) {
    const provider = query.text('provider_name')
    const models = await this.available()
    return models.filter((m) => provider === undefined || m.provider === provider).map(renderModel)
  }

  /** Nothing here embeds. */
  @Get('embedding')
  embeddings(): readonly never[] {
    return []
  }

  private async available() {
    try {
      return await this.providers.model.list(AbortSignal.timeout(LIST_TIMEOUT_MS))
    } catch (cause) {
      if (!(cause instanceof ModelFailure)) {
        throw new Problem('model_unavailable', 'The model provider did not list its models', {
          cause,
        })
      }
      const { retryAfterMs } = cause.detail
      const limited = cause.failureClass === 'Provider.RateLimited'
      throw new Problem(limited ? 'model_rate_limited' : 'model_unavailable', echo(cause.message), {
        facts: limited && retryAfterMs !== null ? { retry_after_ms: retryAfterMs } : {},
        cause,
      })
    }
  }
}
