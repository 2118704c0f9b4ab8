import { KEYS, type Projected } from '#postgres/tables.js'
import type { Plan } from './plan.js'
import type { StatementBuilder as Builder } from './statement-builder.js'

/** Columns of each read model beside its key. */
export const COLUMNS: { readonly [T in keyof Projected]: readonly string[] } = {
  blocks: [
    'label',
    'description',
    'char_limit',
    'read_only',
    'tags',
    'metadata',
    'hidden',
    'is_template',
    'preserve_on_migration',
    'project_id',
    'template_name',
    'policies',
    'deleted',
    'created_at',
    'created_by',
  ],
  agents: [
    'name',
    'tags',
    'settings',
    'tool_ids',
    'hidden',
    'project_id',
    'deleted',
    'reset_through',
    'created_at',
    'created_by',
  ],
  attachments: ['label', 'place', 'access_right', 'attached_at'],
  schedules: ['agent_id', 'name', 'cron', 'tz', 'input', 'created_at'],
  turns: [
    'agent_id',
    'status',
    'source',
    'request_hash',
    'options',
    'attempts_without_progress',
    'step_count',
    'stop_reason',
    'failure',
    'usage',
    'simulated',
    'deadline',
    'queued_at',
    'started_at',
    'done_at',
  ],
  steps: [
    'step_id',
    'agent_id',
    'kind',
    'name',
    'status',
    'usage',
    'stop_reason',
    'error',
    'created_at',
    'done_at',
  ],
  messages: [
    'agent_id',
    'run_id',
    'step_id',
    'version',
    'item',
    'role',
    'content',
    'name',
    'otid',
    'sender_id',
    'created_at',
  ],
  triggers: [
    'agent_id',
    'block_id',
    'since_version',
    'debounce_ms',
    'input',
    'place',
    'created_at',
    'created_by',
  ],
}

/** The mailbox hands out `seq`: in the order of the positions, since the events wait for the same lock. */
export function mailboxes(b: Builder, plan: Plan, tenant: string): void {
  const all = [...plan.mailboxes]
  const opened = all.filter(([, box]) => box.open)
  const moved = all.filter(([, box]) => !box.open)
  const columns = (boxes: typeof all): string =>
    [
      b.column('text', boxes, ([id]) => id),
      b.column('int', boxes, ([, x]) => x.queued),
      b.column('int', boxes, ([, x]) => x.pending),
    ].join(', ')
  if (opened.length > 0) {
    b.part(
      'open',
      `opened as (
  insert into mailboxes (tenant_id, agent_id, next_seq, pending)
  select ${tenant}, q.agent_id, 1 + q.queued, q.pending
    from ok, unnest(${columns(opened)}) q(agent_id, queued, pending)
   order by q.agent_id
  returning agent_id, 1::bigint as first_seq)`,
    )
  }
  if (moved.length > 0) {
    const parks = moved.some(([, box]) => box.notBefore !== null)
    const times = parks ? `, ${b.column('text', moved, ([, box]) => box.notBefore)}` : ''
    b.part(
      parks ? 'take and park' : 'take',
      `take as (
  update mailboxes m set next_seq = m.next_seq + q.queued, pending = m.pending + q.pending,
         ready_at = case when q.pending > 0 and m.pending = 0 then clock_timestamp() else m.ready_at end${
           parks ? ',\n         not_before = coalesce(q.not_before::timestamptz, m.not_before)' : ''
         }
    from (select ${tenant} as tenant_id, q.* from ok, unnest(${columns(moved)}${times})
            q(agent_id, queued, pending${parks ? ', not_before' : ''}) offset 0) q
   where m.tenant_id = q.tenant_id and m.agent_id = q.agent_id
  returning m.agent_id, m.next_seq - q.queued as first_seq)`,
    )
  }
}

/** Rows of read models; each occurs once, in its final state. */
export function rows(b: Builder, plan: Plan, tenant: string): void {
  const queued = new Map<string, number>()
  const perAgent = new Map<string, number>()
  const put = new Map<string, object[]>()
  const removed = new Map<string, object[]>()
  const add = (to: Map<string, object[]>, key: string, row: object): void => {
    const all = to.get(key)
    if (all) all.push(row)
    else to.set(key, [row])
  }
  for (const runId of plan.queued) queued.set(runId, 0)
  for (const change of plan.rows.values()) {
    if ('mailbox' in change) continue
    if ('remove' in change) add(removed, change.table, change.remove)
    else if (change.table === 'turns' && queued.has(change.put.run_id)) {
      const seq = perAgent.get(change.put.agent_id) ?? 0
      perAgent.set(change.put.agent_id, seq + 1)
      add(put, 'queued turns', { ...change.put, seq })
    } else add(put, change.table, change.put)
  }
  for (const [table, all] of put) {
    if (table === 'queued turns') queueTurns(b, all, tenant)
    else if (table === 'turns') updateTurns(b, all)
    else upsert(b, table as keyof Projected, all)
  }
  for (const [table, all] of removed) remove(b, table as keyof Projected, all)
}

function upsert(b: Builder, table: keyof Projected, all: readonly object[]): void {
  const keys = ['tenant_id', ...KEYS[table]]
  const columns = [...keys, ...COLUMNS[table]]
  b.part(
    `put ${table}`,
    `${table}_put as (
  insert into ${table} (${columns.join(', ')})
  select ${columns.map((c) => `r.${c}`).join(', ')}
    from ok, json_populate_recordset(null::${table}, ${b.value(JSON.stringify(all), 'json')}) r
  on conflict (${keys.join(', ')}) do update set ${COLUMNS[table].map((c) => `${c} = excluded.${c}`).join(', ')})`,
  )
}

function queueTurns(b: Builder, all: readonly object[], tenant: string): void {
  const columns = ['run_id', ...COLUMNS.turns]
  const from = ['open', 'take', 'take and park']
    .filter((part) => b.parts.includes(part))
    .map((part) => `select agent_id, first_seq from ${part === 'open' ? 'opened' : 'take'}`)
  b.part(
    `queue turns ${from.length}`,
    `turns_queued as (
  insert into turns (tenant_id, seq, ${columns.join(', ')})
  select ${tenant}, taken.first_seq + r.seq, ${columns.map((c) => `r.${c}`).join(', ')}
    from ok, json_populate_recordset(null::turns, ${b.value(JSON.stringify(all), 'json')}) r
    join (${from.join(' union all ')}) taken using (agent_id))`.replace('r.agent_id', 'agent_id'),
  )
}

function updateTurns(b: Builder, all: readonly object[]): void {
  b.part(
    'put turns',
    `turns_put as (
  update turns t set ${COLUMNS.turns.map((c) => `${c} = r.${c}`).join(', ')}
    from ok, json_populate_recordset(null::turns, ${b.value(JSON.stringify(all), 'json')}) r
   where t.tenant_id = r.tenant_id and t.run_id = r.run_id)`,
  )
}

function remove(b: Builder, table: keyof Projected, all: readonly object[]): void {
  b.part(
    `remove ${table}`,
    `${table}_removed as (
  delete from ${table} t using ok, json_populate_recordset(null::${table}, ${b.value(JSON.stringify(all), 'json')}) r
   where t.tenant_id = r.tenant_id and ${KEYS[table].map((k) => `t.${k} = r.${k}`).join(' and ')})`,
  )
}
