/** Collects the parts of one statement and their parameters. */
export class StatementBuilder {
  readonly values: unknown[] = []
  readonly parts: string[] = []
  readonly ctes: string[] = []

  value(value: unknown, type: string): string {
    this.values.push(value)
    return `$${this.values.length}::${type}`
  }

  part(name: string, sql: string): void {
    this.parts.push(name)
    this.ctes.push(sql)
  }
}
