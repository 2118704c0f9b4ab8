import { setFlagsFromString } from 'node:v8'

/**
 * Imported first by the programs, for what it does: code that is loaded from here on is compiled to
 * machine code when it first runs, not when it has run often. A worker whose models take seconds runs
 * each of its lines a few times a minute, and all of them at once for the turns of one that died
 * (docs/decisions/0027).
 */
setFlagsFromString('--always-sparkplug')
