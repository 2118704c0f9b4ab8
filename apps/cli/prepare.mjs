/**
 * Makes a clone ready to run: installs when packages are missing or outdated, builds when the build is
 * missing or older than the source. Plain JavaScript without dependencies, because it runs first.
 */
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  existsSync,
  linkSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..', '..')
const NODE = { major: 20, minor: 19 }
const SOURCES = [
  'apps',
  'libs',
  'migrations',
  'tsconfig.json',
  '.swcrc',
  'nest-cli.json',
  'package.json',
]
const INSTALLED = join(ROOT, 'node_modules', '.package-lock.json')
/** Written by every build, so its time is the time of the last whole one. */
const BUILT = join(ROOT, 'dist', 'apps', 'cli', 'start.js')
const CLONE = createHash('sha256').update(ROOT).digest('hex').slice(0, 12)
const LOCK = join(tmpdir(), `palimpsest-prepare-${CLONE}.lock`)
const FRAMES = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏']

requireNode()
if (needsInstall() || needsBuild()) await prepare()

function requireNode() {
  const [major, minor] = process.versions.node.split('.').map(Number)
  if (major > NODE.major || (major === NODE.major && minor >= NODE.minor)) return
  fail(
    `Node ${process.versions.node} is too old: Palimpsest needs ${NODE.major}.${NODE.minor} or newer, and 24 is recommended.`,
    'nvm install 24   (or from https://nodejs.org)',
  )
}

async function prepare() {
  await lock()
  try {
    // Asked again: whoever held the lock may just have done it.
    if (needsInstall()) await install()
    if (needsBuild()) await build()
  } finally {
    rmSync(LOCK, { force: true })
  }
}

function needsInstall() {
  const installed = modified(INSTALLED)
  return installed === 0 || installed < modified(join(ROOT, 'package-lock.json'))
}

function needsBuild() {
  const built = modified(BUILT)
  return built === 0 || SOURCES.some((source) => newest(join(ROOT, source)) > built)
}

async function install() {
  const first = modified(INSTALLED) === 0
  // The build needs the development packages, and Postgres is an optional one, whatever NODE_ENV says.
  const args = ['install', '--no-audit', '--no-fund', '--no-save', '--loglevel=error']
  const [program, ...before] = npm()
  await phase(
    first ? 'installing packages (once, some 150 MB)' : 'installing changed packages',
    program,
    [...before, ...args, '--include=dev', '--include=optional'],
    'npm install --no-audit --no-fund',
  )
  // npm leaves the file alone when nothing changed; without this each start would install again.
  const now = new Date()
  if (existsSync(INSTALLED)) utimesSync(INSTALLED, now, now)
}

async function build() {
  const nest = join(ROOT, 'node_modules', '.bin', 'nest')
  // A build that fails half-way may have written this already.
  const undo = () => rmSync(BUILT, { force: true })
  await phase('building', process.execPath, [nest, 'build'], 'npm run build', undo)
}

/** Runs a program and says how long it took; what it printed is shown only when it failed. */
async function phase(title, program, args, mend, undo = () => {}) {
  const begun = Date.now()
  const seconds = () => `${((Date.now() - begun) / 1000).toFixed(1)} s`
  const tick = spinner(title, seconds)
  const { code, said } = await run(program, args)
  tick.end()
  if (code === 0) return console.log(`  ✔ ${title.replace(/ \(.*/, '')}   ${seconds()}`)
  console.error(said.trim())
  undo()
  rmSync(LOCK, { force: true })
  fail(`${title.replace(/ \(.*/, '')} failed after ${seconds()}; what it said is above.`, mend)
}

function run(program, args) {
  return new Promise((resolve) => {
    const child = spawn(program, args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'] })
    let said = ''
    child.stdout.on('data', (chunk) => (said += chunk))
    child.stderr.on('data', (chunk) => (said += chunk))
    child.once('error', (error) => resolve({ code: 1, said: error.message }))
    child.once('close', (code) => resolve({ code: code ?? 1, said }))
    for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
      process.once(name, () => {
        child.kill(name)
        rmSync(LOCK, { force: true })
        process.exit(130)
      })
    }
  })
}

function spinner(title, seconds) {
  if (!process.stdout.isTTY) {
    console.log(`  … ${title}`)
    return { end: () => {} }
  }
  let frame = 0
  const timer = setInterval(() => {
    process.stdout.write(`\r  ${FRAMES[frame++ % FRAMES.length]} ${title}   ${seconds()} `)
  }, 100)
  return {
    end: () => {
      clearInterval(timer)
      process.stdout.write('\r\x1b[2K')
    },
  }
}

/** The npm that runs us, else the one on the path. */
function npm() {
  const path = process.env.npm_execpath
  return path?.endsWith('npm-cli.js') ? [process.execPath, path] : ['npm']
}

/** `npm start` and `npm test` at once must not install or build into each other. */
async function lock() {
  const draft = `${LOCK}.${process.pid}`
  writeFileSync(draft, String(process.pid))
  let told = false
  for (;;) {
    try {
      linkSync(draft, LOCK)
      rmSync(draft, { force: true })
      return
    } catch (error) {
      if (error.code !== 'EEXIST') throw error
    }
    if (!holderLives()) rmSync(LOCK, { force: true })
    else if (!told) console.log('  … another npm start or npm test is preparing; waiting for it')
    told = true
    await wait(200)
  }
}

function holderLives() {
  try {
    process.kill(Number(readFileSync(LOCK, 'utf8')), 0)
    return true
  } catch (error) {
    return error.code === 'EPERM'
  }
}

function newest(path) {
  const stat = statSync(path, { throwIfNoEntry: false })
  if (!stat) return 0
  if (!stat.isDirectory()) return stat.mtimeMs
  const names = readdirSync(path).filter((name) => name !== 'node_modules')
  return Math.max(0, ...names.map((name) => newest(join(path, name))))
}

function modified(path) {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0
}

function fail(what, mend) {
  console.error(`\n${what}\n  To mend it:  ${mend}\n`)
  process.exit(1)
}
