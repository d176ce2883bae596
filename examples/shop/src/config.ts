import { defineConfig } from '@fairlead/service'

export const TRAFFIC_RATE_MAX = 5_000

export const SHOP_CONFIG = defineConfig({
  'database.url': {
    type: 'url',
    protocols: ['postgres:', 'postgresql:'],
    required: true,
    secret: true,
    doc: 'Postgres that holds the orders and the outbox. One that is not on this machine is spoken to with TLS, and its certificate checked, unless sslmode in the URL says otherwise.',
  },
  'schema.registry.url': {
    type: 'url',
    protocols: ['http:', 'https:'],
    required: true,
    doc: 'Schema registry where the schemas of the events are registered.',
  },
  'traffic.orders.per.second': {
    type: 'int',
    default: 0,
    min: 0,
    max: TRAFFIC_RATE_MAX,
    doc: 'Orders that simulated customers place per second; every 1,000th event is poison.',
  },
})

export type ShopConfig = typeof SHOP_CONFIG
