import { Worker } from 'node:worker_threads'
import { type CheckedMessage, checkedEvents } from './checked-window.js'
import type { CheckedEvent } from './log-check.js'
import type { RowWindow } from './row-window.js'

interface Waiting {
  readonly resolve: (checked: CheckedMessage) => void
  readonly reject: (error: Error) => void
}

/** Windows that are under way to the thread, at it, or back: while one is checked the next one waits. */
const AHEAD = 2

/** Found by its name, like every import: tests run the sources, and a thread can run only what was built. */
const THREAD = `import(require('node:module').createRequire(${JSON.stringify(import.meta.url)})
  .resolve('#event-store/event-check-thread.js'))`

/**
 * Checks events against their own hashes in a thread of its own: that is half of the work of a
 * verification, and it needs to know nothing but the event. What follows from one event to the next is
 * left to the caller, who gets the windows back in their order.
 */
export class ThreadCheck {
  readonly #thread: Worker
  readonly #waiting: Waiting[] = []
  #ended: Error | null = null

  constructor(tenantId: string) {
    this.#thread = new Worker(THREAD, { eval: true, workerData: tenantId })
    this.#thread.on('message', (checked: CheckedMessage) => this.#waiting.shift()?.resolve(checked))
    this.#thread.on('error', (error) => this.#fail(error))
    this.#thread.on('exit', (code) => this.#fail(new Error(`the thread ended with ${code}`)))
  }

  /** @throws what the windows throw, or whatever ended the thread. */
  async *all(windows: AsyncIterable<RowWindow>): AsyncGenerator<CheckedEvent[], void, undefined> {
    const underWay: Promise<CheckedMessage>[] = []
    for await (const window of windows) {
      underWay.push(this.#check(window))
      if (underWay.length > AHEAD) yield checkedEvents((await underWay.shift()) as CheckedMessage)
    }
    for (const checked of underWay) yield checkedEvents(await checked)
  }

  async close(): Promise<void> {
    await this.#thread.terminate()
  }

  #check(window: RowWindow): Promise<CheckedMessage> {
    const message = window.message()
    const checked = new Promise<CheckedMessage>((resolve, reject) => {
      if (this.#ended) return reject(this.#ended)
      this.#waiting.push({ resolve, reject })
      this.#thread.postMessage(message, [message.memory])
    })
    // It may fail before anybody waits for it.
    checked.catch(() => {})
    return checked
  }

  #fail(error: Error): void {
    this.#ended ??= error
    for (const { reject } of this.#waiting.splice(0)) reject(error)
  }
}
