/** The one tenant there is until tenancy comes. Every key of the database begins with it. */
export const TENANT = 'default'
