import { Controller, Get, Inject } from '@nestjs/common'
import type { Pool } from 'pg'
import type { Feed } from '#event-store/feed.js'
import type { Durability } from '#postgres/boot-checks.js'
import { Problem } from './http/problem.js'
import { SERVICE_VERSION } from './service-version.js'
import { DURABILITY, FEED, POOL } from './tokens.js'

/** What a probe waits for the database. */
const PROBE_TIMEOUT_MS = 2_000

/** Probes: they need no key. */
@Controller()
export class HealthController {
  constructor(
    @Inject(POOL) private readonly pool: Pick<Pool, 'query'>,
    @Inject(DURABILITY) private readonly durability: Durability,
    @Inject(FEED) private readonly feed: Feed,
  ) {}

  @Get('v1/health')
  health() {
    return { version: SERVICE_VERSION, status: 'ok' }
  }

  /** The process answers, whatever it depends on. */
  @Get('health/live')
  live() {
    return { status: 'ok' }
  }

  /**
   * Requests can be served. `durability` tells whether a power cut could take back what was answered,
   * `feed_lag_ms` how long committed events have been waiting to be read in order.
   */
  @Get('health/ready')
  async ready() {
    if (await this.reachesDatabase()) {
      const { feedLagMs, blockingPid } = this.feed.lag
      return {
        status: 'ok',
        durability: this.durability,
        feed_lag_ms: feedLagMs,
        feed_blocked_by_pid: blockingPid,
      }
    }
    throw new Problem('not_ready', 'The database cannot be reached', {
      facts: { waiting_for: ['database'] },
    })
  }

  private async reachesDatabase(): Promise<boolean> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<boolean>((resolve) => {
      timer = setTimeout(resolve, PROBE_TIMEOUT_MS, false)
    })
    const answered = this.pool.query('select 1').then(
      () => true,
      () => false,
    )
    try {
      return await Promise.race([answered, late])
    } finally {
      clearTimeout(timer)
    }
  }
}
