insert into shop.outbox values
  ('4d47e190-0402-4048-bc2c-89dd54343cdc', 'Order', '1', 'OrderCreated', '{"id": 1, "lineItems": [{"id": 1, "item": "Debezium in Action", "status": "ENTERED", "quantity": 2, "totalPrice": 39.98}], "customerId": 123}');
insert into shop.outbox values ('4d47e190-0402-4048-bc2c-89dd54343cdd', 'Customer', '123', 'CustomerRenamed', '{"name": "Zoë \"Z\" O''Hara", "vip": true}');
insert into shop.outbox values ('4d47e190-0402-4048-bc2c-89dd54343cde', 'Order', '1', 'OrderPurged', null);
update shop.outbox set type = 'Other' where aggregateid = '123';
delete from shop.outbox;
