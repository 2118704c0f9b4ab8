import type { Pool } from 'pg'

/** @returns how many statements that contain `part` the pool's connections have been given from now on. */
export function countQueries(pool: Pool, part: string): () => number {
  let count = 0
  pool.on('connect', (client) => {
    const query = client.query.bind(client) as (...given: unknown[]) => unknown
    const counted = (...given: unknown[]): unknown => {
      const [statement] = given as [string | { readonly text: string }]
      const text = typeof statement === 'string' ? statement : statement.text
      if (text.includes(part)) count += 1
      return query(...given)
    }
    client.query = counted as typeof client.query
  })
  return () => count
}
