import { AgentBlocksController } from './agent-blocks.controller.js'
import { AgentToolsController } from './agent-tools.controller.js'
import { AgentTriggersController } from './agent-triggers.controller.js'
import { AgentsController } from './agents.controller.js'
import { AuditController } from './audit.controller.js'
import { BlockEditsController } from './block-edits.controller.js'
import { BlockHistoryController } from './block-history.controller.js'
import { BlockStreamController } from './block-stream.controller.js'
import { BlocksController } from './blocks.controller.js'
import { CommandsController } from './commands.controller.js'
import { ErrorPagesController } from './error-pages.controller.js'
import { EventsController } from './events.controller.js'
import { HealthController } from './health.controller.js'
import { MessagesController } from './messages.controller.js'
import { ModelsController } from './models.controller.js'
import { RunContextController } from './run-context.controller.js'
import { RunStreamController } from './run-stream.controller.js'
import { RunsController } from './runs.controller.js'
import { SchedulesController } from './schedules.controller.js'
import { SchemasController } from './schemas.controller.js'
import { StepsController } from './steps.controller.js'
import { ToolRunsController } from './tool-runs.controller.js'
import { ToolsController } from './tools.controller.js'
import { TurnControlController } from './turn-control.controller.js'
import { TurnsController } from './turns.controller.js'

/** Every controller of the api. */
export const CONTROLLERS = [
  AuditController,
  BlocksController,
  BlockEditsController,
  BlockHistoryController,
  BlockStreamController,
  CommandsController,
  AgentsController,
  AgentBlocksController,
  AgentToolsController,
  AgentTriggersController,
  SchedulesController,
  ToolRunsController,
  MessagesController,
  TurnsController,
  TurnControlController,
  RunsController,
  RunContextController,
  RunStreamController,
  StepsController,
  ToolsController,
  ModelsController,
  EventsController,
  SchemasController,
  HealthController,
  ErrorPagesController,
]
