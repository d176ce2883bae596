insert into inventory.customers values (1001, 'Sally', 'sally.thomas@acme.com', repeat('long ', 2000));
update inventory.customers set first_name = 'Sal' where id = 1001;
update inventory.customers set id = 1002 where id = 1001;
delete from inventory.customers where id = 1002;
insert into inventory.notes values ('a', 1), (null, 2);
update inventory.notes set note = 'b' where number = 1;
delete from inventory.notes where number = 2;
insert into inventory.customers values (1, 'Ann', 'ann@acme.com', null, false);
truncate inventory.customers;
