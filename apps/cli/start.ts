import { Supervisor } from './supervisor.js'

await new Supervisor({ env: process.env }).run()
