// What the log is to reach: the one place where a figure binds. Ratios to the raw insert of the same
// round, at the same number in flight, unless the figure's name says otherwise.

const GOALS = [
  // One unit at a time.
  ...both('single', 'distinct').map((row) => ({
    ...row,
    inFlight: 1,
    figure: 'p50Ratio',
    atMost: 1.15,
  })),
  ...both('single', 'hot').map((row) => ({
    ...row,
    inFlight: 1,
    figure: 'p50Ratio',
    atMost: 1.15,
  })),
  // Many at once.
  ...both('distinct', 'distinct').flatMap((row) => atLeast(row, { 32: 0.7, 128: 1.1 })),
  ...both('hot', 'hot').flatMap((row) => atLeast(row, { 32: 0.8, 128: 1.9, 512: 2.4 })),
  { group: 'emmett', name: 'hot', inFlight: 32, figure: 'timesEmmett', atLeast: 70 },
  { group: 'emmett', name: 'hot', inFlight: 32, figure: 'failed', atMost: 0 },
  // Long blocks.
  ...['', ' (T0: no flush delay)'].flatMap((profile) =>
    [1, 8].map((inFlight) => ({
      group: 'sizes',
      name: `1 MB, append 100 B${profile}`,
      inFlight,
      figure: 'timesWhole',
      atLeast: 100,
    })),
  ),
  { group: 'sizes', name: '1 MB, append 100 B', inFlight: 8, figure: 'walBytes', atMost: 1_024 },
  // A busy stream holds up nobody else: latency in flushes, as long as one is without the lock.
  {
    group: 'locked-stream',
    name: 'one of 256 locked for 2 s',
    inFlight: 255,
    figure: 'p99Flushes',
    atMost: 3,
  },
  // Reading.
  { group: 'replay', name: 'replay 1,000,000 events', figure: 'seconds', atMost: 2 },
  { group: 'replay', name: 'replay 1,000,000 events', figure: 'rssMb', atMost: 200 },
  { group: 'replay', name: 'verify 1,000,000 events', figure: 'perSecond', atLeast: 200_000 },
  { group: 'replay', name: 'any version of 1,000,000', figure: 'p99', atMost: 5 },
  { group: 'blame', name: 'blame, from the first event, 1,000 events', figure: 'p50', atMost: 10 },
  { group: 'blame', name: 'blame, kept, 1,000 events', figure: 'timesPlain', atMost: 2 },
  // Turns, with a model that answers at once.
  {
    group: 'turns',
    name: 'a turn through HTTP, queue on Postgres',
    inFlight: 1,
    figure: 'overFlushesMs',
    atMost: 3,
  },
  {
    group: 'turns',
    name: 'cancel until broken off, queue on Postgres',
    inFlight: 1,
    figure: 'p99',
    atMost: 50,
  },
  ...[
    { figure: 'perSecond', atLeast: 800 },
    { figure: 'cpuMs', atMost: 1 },
  ].map((goal) => ({
    group: 'turns',
    name: 'turns that wait, queue on Postgres',
    inFlight: 64,
    ...goal,
  })),
  // The feed beside the writers.
  ...feed('hot, with feed', 128),
  ...feed('distinct, with feed', 32),
  // A log that has grown.
  ...['old blocks, with ids', 'the largest block, with ids'].flatMap((name) =>
    [1, 32].map((inFlight) => ({
      group: 'growth',
      name: `10,000,000 events: ${name}`,
      inFlight,
      figure: 'costGrowth',
      atMost: 1.2,
    })),
  ),
]

/** @returns the goals of a row, each with the figure it is judged by and whether that is enough. */
export function judge(row) {
  return GOALS.filter(
    (goal) => goal.group === row.group && goal.name === row.name && goal.inFlight === row.inFlight,
  ).map((goal) => {
    const value = row[goal.figure]
    const met = goal.atMost === undefined ? value >= goal.atLeast : value <= goal.atMost
    return { ...goal, goal: wording(goal), value, met }
  })
}

/** @returns goals of these groups that no row was measured for. */
export function unmeasured(groups, rows) {
  const isMeasured = (goal) =>
    rows.some(({ goals }) => goals.some((g) => wording(g) === wording(goal) && isSame(g, goal)))
  return GOALS.filter((goal) => groups.includes(goal.group) && !isMeasured(goal)).map((goal) => ({
    ...goal,
    goal: wording(goal),
  }))
}

function isSame(a, b) {
  return a.group === b.group && a.name === b.name && a.inFlight === b.inFlight
}

function wording({ figure, atLeast, atMost }) {
  return atMost === undefined ? `${figure} ≥ ${atLeast}` : `${figure} ≤ ${atMost}`
}

function both(group, name) {
  return [
    { group, name },
    { group, name: `${name}, with ids` },
  ]
}

function atLeast(row, byInFlight) {
  return Object.entries(byInFlight).map(([inFlight, ratio]) => ({
    ...row,
    inFlight: Number(inFlight),
    figure: 'ratio',
    atLeast: ratio,
  }))
}

function feed(name, inFlight) {
  const row = { group: 'feed', name, inFlight }
  return [
    { ...row, figure: 'cost', atMost: 0.05 },
    ...['missed', 'twice', 'disordered'].map((figure) => ({ ...row, figure, atMost: 0 })),
  ]
}
