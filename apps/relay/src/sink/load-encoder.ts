import type { RegistryOptions } from '../converter-options.ts'
import type { EventEncoder } from './event-encoder.ts'

/** Undefined without a registry; nothing is loaded then, for the libraries of the formats take 30 MB. */
export async function loadEncoder(registry: RegistryOptions): Promise<EventEncoder | undefined> {
  if (registry.urls.length === 0) return undefined
  const [{ createRegistryClient }, { EventEncoder }] = await Promise.all([
    import('@fairlead/serde'),
    import('./event-encoder.ts'),
  ])
  const client = createRegistryClient({ url: registry.urls, ...registry.credentials })
  return new EventEncoder(client, registry, () => performance.now())
}
