/**
 * For a session whose values are read by programs, whatever is set for the database or the role: `pg` reads a timestamp of
 * another `DateStyle` as null, and a double of fewer digits is another number. What waits for a lock is to see
 * what was committed meanwhile.
 */
export const SESSION_SETTINGS: string = `
  select set_config('datestyle', 'ISO', false), set_config('intervalstyle', 'postgres', false),
    set_config('extra_float_digits', '1', false), set_config('bytea_output', 'hex', false),
    set_config('default_transaction_isolation', 'read committed', false)`
