import 'reflect-metadata'
import { RequestMethod } from '@nestjs/common'
import { CONTROLLERS } from '../../apps/api/controllers.js'

export interface Route {
  readonly method: string
  /** Without a slash at the end, parameters as `:block_id`. */
  readonly path: string
}

/** Every route of the api, as its controllers declare them. */
export function routeTable(): Route[] {
  return CONTROLLERS.flatMap((controller) => {
    const root = String(Reflect.getMetadata('path', controller))
    const { prototype } = controller
    return Object.getOwnPropertyNames(prototype).flatMap((name) => {
      const handler = (prototype as unknown as Record<string, object>)[name] as object
      const method = Reflect.getMetadata('method', handler) as RequestMethod | undefined
      if (method === undefined) return []
      const own = String(Reflect.getMetadata('path', handler))
      const path = [...root.split('/'), ...own.split('/')].filter(Boolean).join('/')
      return [{ method: RequestMethod[method] as string, path: `/${path}` }]
    })
  })
}

/** A route's path with ids in it; what is not given is an id that nobody has. */
export function filled(path: string, ids: Readonly<Record<string, string>> = {}): string {
  return path.replaceAll(/:(\w+)/g, (_, name: string) => {
    const given = ids[name]
    if (given !== undefined) return encodeURIComponent(given)
    const prefix = /^(\w+)_id$/.exec(name)?.[1]
    return prefix ? `${prefix}-00000000-0000-4000-8000-000000000000` : 'nobody'
  })
}

/** What Letta's clients must find here. */
export const MUST = `
  GET /v1/agents
  POST /v1/agents
  GET /v1/agents/count
  DELETE /v1/agents/:agent_id
  GET /v1/agents/:agent_id
  PATCH /v1/agents/:agent_id
  GET /v1/agents/:agent_id/core-memory/blocks
  PATCH /v1/agents/:agent_id/core-memory/blocks/attach/:block_id
  PATCH /v1/agents/:agent_id/core-memory/blocks/detach/:block_id
  GET /v1/agents/:agent_id/core-memory/blocks/:label
  PATCH /v1/agents/:agent_id/core-memory/blocks/:label
  GET /v1/agents/:agent_id/messages
  POST /v1/agents/:agent_id/messages
  POST /v1/agents/:agent_id/messages/async
  POST /v1/agents/:agent_id/messages/cancel
  POST /v1/agents/:agent_id/messages/stream
  PATCH /v1/agents/:agent_id/reset-messages
  GET /v1/agents/:agent_id/tools
  PATCH /v1/agents/:agent_id/tools/attach/:tool_id
  PATCH /v1/agents/:agent_id/tools/detach/:tool_id
  POST /v1/agents/:agent_id/tools/:tool_name/run
  GET /v1/blocks
  POST /v1/blocks
  GET /v1/blocks/count
  DELETE /v1/blocks/:block_id
  GET /v1/blocks/:block_id
  PATCH /v1/blocks/:block_id
  GET /v1/blocks/:block_id/agents
  GET /v1/health
  GET /v1/models
  GET /v1/runs
  GET /v1/runs/:run_id
  GET /v1/runs/:run_id/messages
  GET /v1/runs/:run_id/steps
  POST /v1/runs/:run_id/stream
  GET /v1/runs/:run_id/usage
  GET /v1/steps
  GET /v1/steps/:step_id
  GET /v1/tools
  POST /v1/tools
  PUT /v1/tools
  DELETE /v1/tools/:tool_id
  GET /v1/tools/:tool_id
  PATCH /v1/tools/:tool_id
`
  .trim()
  .split(/\n\s*/)
