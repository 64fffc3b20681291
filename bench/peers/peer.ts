/** By a name that the compiler does not follow: without the package it could not check the rest. */
export async function peer<T>(name: string): Promise<T> {
  try {
    return (await import(name)) as T
  } catch (cause) {
    throw new Error(
      `${name} is missing: start with 'npm run bench:redis' or 'npm run bench:postgres', which install it.`,
      { cause },
    )
  }
}
