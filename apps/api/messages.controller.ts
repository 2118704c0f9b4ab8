import { Controller, Get, Inject, Param, Query } from '@nestjs/common'
import type { Pool } from 'pg'
import type { Database } from '#postgres/database.js'
import { agentById } from '#read-models/agents.js'
import { messagesOfAgent } from '#read-models/messages.js'
import { pathId } from './http/path-id.js'
import { asQuery, type QueryReader } from './http/query.js'
import { messagePage } from './message-page.js'
import { agentNotFound } from './missing.js'
import { TENANT } from './tenant.js'
import { DATABASE, POOL } from './tokens.js'
import { DEFAULT_VIEW, type MessageView, type WireMessage } from './wire/message-wire.js'

/** An agent's history. Sending a message is `turns.controller.ts`. */
@Controller('v1/agents/:agent_id/messages')
export class MessagesController {
  constructor(
    @Inject(DATABASE) private readonly db: Database,
    @Inject(POOL) private readonly pool: Pool,
  ) {}

  /** A deleted agent's history stays readable. */
  @Get()
  async list(
    @Param('agent_id', pathId('agent')) agentId: string,
    @Query(asQuery) query: QueryReader,
  ): Promise<WireMessage[]> {
    const page = query.page({ limit: 100, order: 'desc', cursor: 'message' })
    const view = messageView(query)
    if (!(await agentById({ db: this.db, pool: this.pool }, TENANT, agentId))) {
      throw agentNotFound(agentId)
    }
    return messagePage(page, view, (next) => messagesOfAgent(this.db, TENANT, agentId, next))
  }
}

function messageView(query: QueryReader): MessageView {
  const standard = DEFAULT_VIEW
  const types = query.texts('include_return_message_types')
  return {
    use_assistant_message: query.flag('use_assistant_message') ?? standard.use_assistant_message,
    assistant_message_tool_name:
      query.text('assistant_message_tool_name') ?? standard.assistant_message_tool_name,
    assistant_message_tool_kwarg:
      query.text('assistant_message_tool_kwarg') ?? standard.assistant_message_tool_kwarg,
    include_return_message_types: types.length > 0 ? types : null,
    ...(query.flag('include_compaction_messages') ? { include_compaction_messages: true } : {}),
  }
}
