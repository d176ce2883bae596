import { runApp } from '@fairlead/service'
import { SHOP_CONFIG } from './config.ts'
import { startShop } from './shop.ts'

await runApp({
  name: 'shop',
  version: '0.1.0',
  description: 'an order service that writes orders and events in one transaction, with traffic',
  envPrefix: 'SHOP_',
  httpPort: 8085,
  spec: SHOP_CONFIG,
  start: startShop,
})
