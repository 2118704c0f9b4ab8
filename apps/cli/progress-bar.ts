import { grouped } from './command-line.js'

const REDRAW_MS = 100
const LINE_EVERY_MS = 10_000
const WIDTH = 24

export interface Progress {
  readonly events: number
  /** Of the whole, 0 to 1; unknown for a stream of lines. */
  readonly share?: number
}

/** How far a long command is: a bar on a terminal, a line every 10 s elsewhere, nothing when quiet. */
export class ProgressBar {
  private readonly begun = performance.now()
  private shown = 0

  constructor(
    private readonly what: string,
    private readonly quiet: boolean,
  ) {}

  update({ events, share }: Progress): void {
    const now = performance.now()
    const tty = process.stderr.isTTY
    const since = now - (this.shown || this.begun)
    if (this.quiet || since < (tty ? REDRAW_MS : LINE_EVERY_MS)) return
    this.shown = now
    const seconds = (now - this.begun) / 1_000
    const rate = `${grouped(Math.round(events / seconds))}/s`
    const left = share ? ` ${Math.ceil(seconds / share - seconds)} s left` : ''
    const percent = share === undefined ? '' : ` ${Math.floor(share * 100)} %`
    const text = `${this.what}${percent}  ${grouped(events)} events  ${rate}${left}`
    process.stderr.write(tty ? `\r\x1b[2K${bar(share)}${text}` : `${text}\n`)
  }

  /** Leaves a clean line. @returns seconds since the beginning. */
  end(): number {
    if (!this.quiet && process.stderr.isTTY && this.shown > 0) process.stderr.write('\r\x1b[2K')
    return (performance.now() - this.begun) / 1_000
  }
}

function bar(share: number | undefined): string {
  if (share === undefined) return ''
  const done = Math.round(share * WIDTH)
  return `[${'█'.repeat(done)}${'·'.repeat(WIDTH - done)}] `
}
