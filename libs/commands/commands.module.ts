import { type DynamicModule, Module, type OnModuleDestroy } from '@nestjs/common'
import { CqrsModule, EventBus } from '@nestjs/cqrs'
import type { StreamEvent } from '#event-store/unit.js'
import { Writer, type WriterOptions } from '#event-store/writer.js'
import { project } from '#read-models/projection.js'
import { ChangeAgentHandler } from './change-agent.js'
import { ChangeBlockHandler } from './change-block.js'
import { ChangeBlocksHandler } from './change-blocks.js'
import { ChangeTurnHandler } from './change-turn.js'
import { EventsCommitted } from './events-committed.js'
import { RunToolStepHandler } from './run-tool-step.js'

const HANDLERS = [
  ChangeBlockHandler,
  ChangeBlocksHandler,
  ChangeAgentHandler,
  ChangeTurnHandler,
  RunToolStepHandler,
]

/** The writer behind its one door: a command class and a handler for each kind of unit. */
@Module({})
export class CommandsModule implements OnModuleDestroy {
  constructor(private readonly writer: Writer) {}

  static over(pools: Pick<WriterOptions, 'writes' | 'reads'>): DynamicModule {
    const writer = {
      provide: Writer,
      inject: [EventBus],
      useFactory: (events: EventBus) =>
        new Writer({
          ...pools,
          project,
          onCommit: (committed: readonly StreamEvent[]) =>
            events.publish(new EventsCommitted(committed)),
        }),
    }
    return {
      module: CommandsModule,
      imports: [CqrsModule],
      providers: [writer, ...HANDLERS],
      exports: [Writer, CqrsModule],
    }
  }

  async onModuleDestroy(): Promise<void> {
    await this.writer.close()
  }
}
