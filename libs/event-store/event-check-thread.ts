import { parentPort, workerData } from 'node:worker_threads'
import { checkWindow } from './checked-window.js'
import { RowCheck } from './row-check.js'
import type { WindowMessage } from './row-window.js'

// The thread of `ThreadCheck`: gives every window back, checked.
const check = new RowCheck(workerData as string)

parentPort?.on('message', (message: WindowMessage) => {
  const checked = checkWindow(message, check)
  parentPort?.postMessage(checked, [checked.memory, checked.edits])
})
