import { join } from 'node:path'
import { createOutbox } from '@fairlead/outbox'
import { createPool, migrate, withTls } from '@fairlead/postgres'
import { createProjections, readYourWrites } from '@fairlead/read-your-writes'
import { createAvroSerde, createRegistryClient } from '@fairlead/serde'
import { type AppContext, type RunningApp, untilSucceeds } from '@fairlead/service'
import { Kysely, PostgresDialect } from 'kysely'
import type { ShopConfig } from './config.ts'
import type { ShopDatabase } from './database.ts'
import { OrderEvents } from './events.ts'
import { OrderService } from './order-service.ts'
import { addRoutes } from './routes.ts'
import { Traffic } from './traffic.ts'

const ROOT = join(import.meta.dirname, '../../..')
/** The platform's own tables (the outbox is one of them), then those of the shop. */
const MIGRATIONS = [join(ROOT, 'sql/migrations'), join(ROOT, 'examples/shop/sql')]
const POOL_SIZE_MAX = 20

/** Builds the shop; it takes orders once its tables are there and its schemas are registered. */
export async function startShop(context: AppContext<ShopConfig>): Promise<RunningApp> {
  const { config, logger, health, http } = context
  const abort = new AbortController()
  const url = withTls(config['database.url'])
  const pool = createPool({ url, max: POOL_SIZE_MAX, applicationName: 'shop', logger })
  const database = new Kysely<ShopDatabase>({ dialect: new PostgresDialect({ pool }) })

  let service: OrderService | undefined
  let traffic: Traffic | undefined
  health.set('orders', 'starting')
  await http.register(readYourWrites, {
    projections: createProjections({ db: database }),
    reads: [],
    onTimeout: 'stale',
  })
  addRoutes(http, { database, service: () => service, traffic: () => traffic })
  await context.listen()

  const opening = openForBusiness().catch((error: unknown) => {
    if (!abort.signal.aborted) context.fail(error)
  })

  async function openForBusiness(): Promise<void> {
    const waiting = { health, logger, signal: abort.signal }
    for (const directory of MIGRATIONS) {
      await untilSucceeds(() => migrate({ url, directory, logger }), {
        check: 'database',
        ...waiting,
      })
    }
    const registry = createRegistryClient({ url: config['schema.registry.url'] })
    const outbox = await untilSucceeds(
      () => createOutbox({ serde: createAvroSerde({ registry }), events: [OrderEvents] }),
      { check: 'schema registry', ...waiting },
    )
    service = new OrderService(database, outbox)
    const ordersPerSecond = config['traffic.orders.per.second']
    traffic = new Traffic({ service, ordersPerSecond, logger })
    traffic.start()
    health.set('orders', true)
  }

  return {
    async stop() {
      abort.abort()
      await opening
      await traffic?.stop()
      await database.destroy()
    },
  }
}
