-- What kind of handlers a version has: those in SQL have side effects, which a promotion hands over.

alter table evt.projection_version
  -- Null: nobody has run the version since this column exists; it may be of any kind.
  add column kind text check (kind in ('fold', 'commutative', 'sql'));
