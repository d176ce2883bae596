import { defineEvents } from '@fairlead/avro'

/** What happens to an order. Types, Avro payloads and schemas all come from this one definition. */
export const OrderEvents = defineEvents({
  topic: 'outbox.event.order',
  key: 'orderId',
  events: {
    OrderPlaced: {
      type: 'record',
      name: 'OrderPlaced',
      namespace: 'shop',
      fields: [
        { name: 'orderId', type: 'string' },
        { name: 'customerId', type: 'string' },
        { name: 'sku', type: 'string' },
        { name: 'quantity', type: 'int' },
        { name: 'unitPriceCents', type: 'long' },
        { name: 'placedAt', type: { type: 'long', logicalType: 'timestamp-millis' } },
        {
          name: 'channel',
          type: { type: 'enum', name: 'Channel', symbols: ['web', 'store'] },
          default: 'web',
        },
      ],
    },
    OrderQuantityChanged: {
      type: 'record',
      name: 'OrderQuantityChanged',
      namespace: 'shop',
      fields: [
        { name: 'orderId', type: 'string' },
        { name: 'quantity', type: 'int' },
      ],
    },
    OrderPaid: {
      type: 'record',
      name: 'OrderPaid',
      namespace: 'shop',
      fields: [
        { name: 'orderId', type: 'string' },
        { name: 'amountCents', type: 'long' },
        { name: 'paidAt', type: { type: 'long', logicalType: 'timestamp-millis' } },
      ],
    },
  },
})
