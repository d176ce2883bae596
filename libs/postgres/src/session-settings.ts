/**
 * For a session whose values are read by programs, whatever is set for the database or the role: `pg` reads a timestamp of
 * another `DateStyle` as null, and a double of fewer digits is another number. What waits for a lock is to see
 * what was committed meanwhile.
 */
export const SESSION_SETTINGS: string = `
  select set_config('datestyle', 'ISO', false), set_config('intervalstyle', 'postgres', false),
    set_config('extra_float_digits', '1', false), set_config('bytea_output', 'hex', false),
    set_config('default_transaction_isolation', 'read committed', false)`

/**
 * A statement whose client is gone ends, and with it the session and its locks: else others would wait for these for as
 * long as it takes. A server that cannot tell refuses the setting.
 */
export const END_WITH_CLIENT: string = `set client_connection_check_interval = '1s'`
