// Another service that queues turns: it knows BullMQ and nothing of this product. It is told by its
// parent what to add, in order; each of some is added a second time a little later.
import { createPostgresBackend, Queue, withBackend } from 'bullmq'

const { REDIS_URL, DATABASE_URL } = process.env
const NAME = 'palimpsest-turns'
const OnPostgres = withBackend(createPostgresBackend)
const queue = REDIS_URL
  ? new Queue(NAME, { connection: { url: REDIS_URL } })
  : new OnPostgres.Queue(NAME, {
      connection: { connectionString: DATABASE_URL, options: '-c role=palimpsest_app' },
    })

/** How many are under way at once: added in one go, they keep their order. */
const BATCH = 50

process.on('message', async ({ jobs, again }) => {
  for (let from = 0; from < jobs.length; from += BATCH) {
    const batch = jobs.slice(from, from + BATCH).map(({ id, data }) => ({
      name: 'turn.v1',
      data,
      opts: { jobId: id, removeOnComplete: true },
    }))
    await queue.addBulk(batch)
    const repeated = batch.filter(({ opts }) => again.includes(opts.jobId))
    await Promise.all(repeated.map(({ name, data, opts }) => queue.add(name, data, opts)))
  }
  process.send({ added: jobs.length })
})
process.on('disconnect', () => process.exit(0))
