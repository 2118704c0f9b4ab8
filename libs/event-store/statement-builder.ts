import { binaryArray, type Element, type ElementType } from './binary-array.js'

/** Collects the parts of one statement and their parameters. */
export class StatementBuilder {
  readonly values: unknown[] = []
  readonly parts: string[] = []
  readonly ctes: string[] = []

  value(value: unknown, type: string): string {
    this.values.push(value)
    return `$${this.values.length}::${type}`
  }

  /** One column of many rows: `of` gives a row's value. */
  column<R>(type: ElementType, rows: readonly R[], of: (row: R) => Element): string {
    return this.value(binaryArray(type, rows.map(of)), `${type}[]`)
  }

  part(name: string, sql: string): void {
    this.parts.push(name)
    this.ctes.push(sql)
  }
}
