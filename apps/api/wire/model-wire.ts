import type { ModelDescription } from '#turns/ports.js'

/** A model, with the names both client generations have for its parts. */
export function renderModel(model: ModelDescription): Record<string, unknown> {
  return {
    handle: model.handle,
    name: model.name,
    display_name: model.simulated ? `${model.name} [simulated]` : model.name,
    model: model.name,
    model_type: 'llm',
    provider_name: model.provider,
    provider_type: model.provider,
    provider_category: 'base',
    model_endpoint_type: model.provider,
    model_endpoint: null,
    context_window: model.contextWindow,
    max_context_window: model.contextWindow,
    put_inner_thoughts_in_kwargs: false,
    simulated: model.simulated,
  }
}
