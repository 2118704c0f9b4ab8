import type { Goal, MadeCall } from './conflicts.js'

/** A return as its reader takes it apart. */
interface Read {
  readonly words: string
  readonly next: string
  /** Lines of the text shown, each with its number where it has one. */
  readonly lines: readonly { readonly number: number; readonly text: string }[]
  readonly whole: boolean
}

type Rule = readonly [asked: RegExp, does: (read: Read, match: RegExpExecArray) => MadeCall[]]

/**
 * A model without any wit: it does what the line `Next:` says, with the text below it, and nothing else.
 * Where there is no such line it makes its call again.
 */
export class FollowingModel {
  #call: MadeCall
  #planned: MadeCall[] = []

  constructor(
    private readonly goal: Goal,
    private readonly known: string,
    first: MadeCall,
  ) {
    this.#call = first
  }

  /** The call to make after a return; null when there is nothing left to do. */
  after({ status, result }: { readonly status: string; readonly result: string }): MadeCall | null {
    const read = readReturn(result)
    if (read.next === '') {
      if (status === 'success') return this.#made(this.#planned)
      return result.startsWith('rejected') ? null : this.#call
    }
    for (const [asked, does] of this.#rules) {
      const match = asked.exec(read.next)
      if (match) return this.#made(does(read, match))
    }
    return null
  }

  #made([call, ...later]: readonly MadeCall[]): MadeCall | null {
    this.#planned = later
    if (call) this.#call = call
    return call ?? null
  }

  readonly #rules: readonly Rule[] = [
    [/with the lines that begin with a space or -/, (read) => this.#patch(read)],
    [
      /^repeat (\S+) with (?:a longer )?(old_\w+),? copied/,
      (read, match) => this.#replace(read, match),
    ],
    [/^repeat \S+ with (?:insert_line|a line in that range)/, (read) => [this.#insertAgain(read)]],
    [
      /^(?:apply your change to|write) the text below/,
      (read) => this.#rewrite(read.lines.map(({ text }) => text)),
    ],
    [/^work the changes named above/, (read) => this.#rewrite(withChanges(this.known, read.words))],
    [/^make your change with memory_insert or memory_replace/, () => this.#replaceKnown()],
    [/^put your text below a line you see/, () => this.#below()],
    [/^shorten your text/, (read) => this.#shorten(read)],
    [/^repeat without the line numbers/, () => [this.#withoutNumbers()]],
    [/^edit the block that has the label/, () => this.#add(undefined)],
    [/was the wrong place, put its old words back/, () => this.#putBack()],
    [/^read the block below and move the lines/, (read) => this.#move(read)],
    [
      /^put back what should stay/,
      (read) => quotedLines(read.words).map((text) => insertion(text)),
    ],
  ]

  /** Puts its line below the one it belongs to, by the words of that one. */
  #below(): MadeCall[] {
    const { goal } = this
    if (goal.kind !== 'add' || goal.below === null) return []
    return [replacing(goal.below, `${goal.below}\n${goal.line}`)]
  }

  #patch({ lines }: Read): MadeCall[] {
    const old = this.#meantLine(lines)
    if (old === null || this.goal.kind !== 'set') return []
    const patch = `-${old}\n+${this.goal.key}: ${this.goal.to}`
    return [{ tool: 'memory_apply_patch', args: { label: 'notes', patch } }]
  }

  #replace({ lines }: Read, [, tool, argument]: RegExpExecArray): MadeCall[] {
    const old = this.#meantLine(lines)
    if (old === null || this.goal.kind !== 'set') return []
    const text = `${this.goal.key}: ${this.goal.to}`
    const written = argument === 'old_content' ? 'new_content' : 'new_string'
    const args = { label: 'notes', [argument as string]: old, [written]: text }
    return [{ tool: tool as string, args }]
  }

  /** The line of the text shown that the goal is about; null when it already says so. */
  #meantLine(lines: Read['lines']): string | null {
    const { goal } = this
    if (goal.kind !== 'set') return null
    const there = lines.find(({ text }) => text.startsWith(`${goal.key}: `))?.text
    return there === undefined || there === `${goal.key}: ${goal.to}` ? null : there
  }

  #insertAgain({ lines }: Read): MadeCall {
    const { goal } = this
    if (goal.kind !== 'add') return this.#call
    return insertion(goal.line, lines.find(({ text }) => text === goal.below)?.number)
  }

  #rewrite(lines: readonly string[]): MadeCall[] {
    const { goal } = this
    if (goal.kind !== 'set') return []
    const text = lines.map((line) =>
      line.startsWith(`${goal.key}: `) ? `${goal.key}: ${goal.to}` : line,
    )
    return [{ tool: 'memory_rethink', args: { label: 'notes', new_memory: text.join('\n') } }]
  }

  #replaceKnown(): MadeCall[] {
    const { goal } = this
    return goal.kind === 'set'
      ? [replacing(`${goal.key}: ${goal.from}`, `${goal.key}: ${goal.to}`)]
      : []
  }

  #shorten({ words }: Read): MadeCall[] {
    const over = Number(/(\d+) too many/.exec(words)?.[1])
    const text = String(this.#call.args['new_string'])
    return over > 0 && over < [...text].length ? this.#add([...text].slice(0, -over).join('')) : []
  }

  #add(line: string | undefined): MadeCall[] {
    return this.goal.kind === 'add' ? [insertion(line ?? this.goal.line)] : []
  }

  #withoutNumbers(): MadeCall {
    const strip = (value: unknown) =>
      typeof value === 'string' ? value.replaceAll(/(?<=^|\n)\d+→ /g, '') : value
    const entries = Object.entries(this.#call.args).map(([name, value]) => [name, strip(value)])
    return { tool: this.#call.tool, args: Object.fromEntries(entries) }
  }

  #putBack(): MadeCall[] {
    return this.goal.kind === 'set' ? [replacing(this.goal.to, this.goal.from)] : []
  }

  /** Takes its line from the end, then adds it where it belongs. */
  #move({ lines }: Read): MadeCall[] {
    const { goal } = this
    if (goal.kind !== 'add') return []
    const below = lines.find(({ text }) => text === goal.below)
    const [before, last] = lines.slice(-2)
    if (!below || !before || last?.text !== goal.line || before.text === goal.below) return []
    return [replacing(`${before.text}\n${last.text}`, before.text), ...this.#below()]
  }
}

function insertion(new_string: string, insert_line?: number): MadeCall {
  const line = insert_line === undefined ? {} : { insert_line }
  return { tool: 'memory_insert', args: { label: 'notes', new_string, ...line } }
}

function replacing(old_string: string, new_string: string): MadeCall {
  return { tool: 'memory_replace', args: { label: 'notes', old_string, new_string } }
}

function readReturn(result: string): Read {
  const [, words = '', header, text = ''] =
    /^([\s\S]*?)(?:\n(--- current text.*)\n([\s\S]*))?$/.exec(result) ?? []
  const numbered = header?.includes('in part') ?? false
  const lines = header ? text.split('\n') : []
  return {
    words,
    next: /^Next: (.*)$/m.exec(words)?.[1] ?? '',
    whole: !numbered,
    lines: lines.flatMap((line, i) => {
      if (!numbered) return [{ number: i + 1, text: line }]
      const [, number, there] = /^(\d+)→ (.*)$/.exec(line) ?? []
      return there === undefined ? [] : [{ number: Number(number), text: there }]
    }),
  }
}

/** Texts that others added, from the quotes of a return. */
function quotedLines(words: string): string[] {
  return [...words.matchAll(/ added line \d+: ("(?:[^"\\]|\\.)*")/g)].map(([, quoted]) =>
    JSON.parse(quoted as string),
  )
}

/** The text the model knows, with the changes it is told of. */
function withChanges(known: string, words: string): string[] {
  const lines = known.split('\n')
  for (const [, line, quoted] of words.matchAll(/ added line (\d+): ("(?:[^"\\]|\\.)*")/g)) {
    lines.splice(Number(line) - 1, 0, JSON.parse(quoted as string))
  }
  const replaced = / replaced line (\d+): ("(?:[^"\\]|\\.)*") -> ("(?:[^"\\]|\\.)*")/g
  for (const [, line, from, to] of words.matchAll(replaced)) {
    const at = Number(line) - 1
    const [old, text] = [JSON.parse(from as string), JSON.parse(to as string)]
    lines[at] = (lines[at] as string).split(old).join(text)
  }
  return lines
}
