import { expect, test } from 'vitest'
import { preparesAllColumns, returnsAllColumns } from './all-columns.ts'

test.for([
  'select * from order_summary',
  'SELECT\n  *\nFROM order_summary WHERE order_id = $1',
  'select distinct * from order_summary',
  'select distinct on (status) * from order_summary',
  'select o.* from order_summary o',
  'select "o" . * from order_summary "o"',
  'select tenant_acme.order_summary.* from tenant_acme.order_summary',
  'select o.order_id, c.* from order_summary o join customer c using (customer_id)',
  'select count(*) over (), * from order_summary',
  'with paid as (select order_id from order_summary) select * from paid',
  'select 1 -- ;\n, * from order_summary',
  'update order_summary set status = $1 returning *',
  'with paid as (select * from payment) insert into open select order_id from paid returning *',
  'table order_summary',
])('the columns of "%s" are those of its tables', (statement) => {
  expect(returnsAllColumns(statement)).toBe(true)
})

test.for([
  'select order_id, status from order_summary',
  'select count(*) from order_summary',
  'select order_id from order_summary where exists (select * from customer)',
  'select status from (select * from order_summary) o',
  "select '*' as star from order_summary",
  "select 'select * from x', order_id from order_summary",
  'select order_id, price * quantity as total from order_summary',
  'select order_id, 2*quantity from order_summary',
  'select order_id /* * */ from order_summary -- *',
  'select $$ , * $$ as text',
  'delete from order_summary where order_id = $1',
  'insert into open select * from order_summary',
  'insert into open select * from order_summary returning order_id',
  'a text about nothing, * but stars',
])('the columns of "%s" are named', (statement) => {
  expect(returnsAllColumns(statement)).toBe(false)
})

test('SQL may name a statement itself', () => {
  expect(preparesAllColumns('prepare open (uuid) as select * from order_summary')).toBe(true)
  expect(preparesAllColumns('PREPARE "open" AS SELECT * FROM order_summary')).toBe(true)
  expect(preparesAllColumns('prepare open as select order_id from order_summary')).toBe(false)
  expect(preparesAllColumns('select * from order_summary')).toBe(false)
})
