create schema if not exists shop;

create table shop.orders (
  id uuid primary key,
  customer_id text not null,
  sku text not null,
  quantity integer not null,
  unit_price_cents bigint not null,
  status text not null check (status in ('placed', 'paid')),
  placed_at timestamptz not null
);
