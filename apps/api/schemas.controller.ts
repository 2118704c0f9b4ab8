import { Controller, Get } from '@nestjs/common'
import { z } from 'zod'
import { turnJobData } from '#producer/turn-job.js'
import { turnDone, turnResult } from '#producer/turn-result.js'

/** Written down once: they do not change while the process runs. */
const TURN = z.toJSONSchema(turnJobData, { io: 'input' })
const RESULT = z.toJSONSchema(turnResult)
const DONE = z.toJSONSchema(turnDone)

/** JSON Schemas of what services send and get through a queue; the version is part of the name. */
@Controller('v1/schemas')
export class SchemasController {
  /** The data of a job `turn.v1`. */
  @Get('turn.v1.json')
  turn(): object {
    return TURN
  }

  /** What such a job returns. */
  @Get('turn-result.v1.json')
  result(): object {
    return RESULT
  }

  /** The data of the job that a `reply_to` queue gets. */
  @Get('turn-done.v1.json')
  done(): object {
    return DONE
  }
}
