/** What the servers of the tests import of Vitest, where a run of its own takes care of their end. */
export function afterAll(): void {}
