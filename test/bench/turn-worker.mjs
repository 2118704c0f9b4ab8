// A worker as a process of its own, whose model answers at once and costs nothing: it inserts a line, then
// says that it is done. Asked to wait it never answers, and tells when it was asked and when broken off. On each
// message it tells what CPU it has used, in milliseconds.
import '../../dist/libs/adapters/compile-early.js'
import { openWorker } from '../../dist/apps/worker/worker.js'
import { readConfig } from '../../dist/libs/adapters/config.js'
import { OpenAIModel } from '../../dist/libs/adapters/openai-model.js'

const usage = {
  prompt_tokens: 10,
  completion_tokens: 5,
  total_tokens: 15,
  cached_input_tokens: 0,
  reasoning_tokens: 0,
}
const shared = {
  reasoning: null,
  usage,
  providerResponseId: null,
  simulated: false,
  repaired: false,
}
let calls = 0

OpenAIModel.prototype.respond = async ({ messages }, signal) => {
  if (messages.at(-1).content === 'wait') return wait(signal)
  if (messages.at(-1).role === 'tool') {
    return { ...shared, content: 'done', toolCalls: [], finishReason: 'stop' }
  }
  const args = JSON.stringify({ label: 'notes', new_string: `line ${calls}` })
  const toolCalls = [{ id: `call_${calls++}`, name: 'memory_insert', arguments: args }]
  return { ...shared, content: null, toolCalls, finishReason: 'tool_calls' }
}

function wait(signal) {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => {
      process.send({ asked: false })
      reject(signal.reason)
    })
    process.send({ asked: true })
  })
}

const worker = await openWorker(readConfig(process.env), process.env.DATABASE_URL, {
  log: (message, error) => console.error(message, error ?? ''),
})
process.on('message', () => {
  const { user, system } = process.cpuUsage()
  process.send({ cpuMs: (user + system) / 1000 })
})
process.on('disconnect', () => worker.close().then(() => process.exit(0)))
process.send({ ready: true })
