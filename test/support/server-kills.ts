import { setTimeout as pause } from 'node:timers/promises'
import type { TurnFleet } from './turn-fleet.js'

/** Kills the fleet's own Postgres with SIGKILL and starts it again on what is then on its disk. */
export async function killServer({ load, server }: TurnFleet, awayMs = 0): Promise<void> {
  if (!server) throw new Error('this fleet has no server of its own')
  await load.during(async () => {
    await server.kill(() => {})
    await pause(awayMs)
    await server.restart()
  })
}
