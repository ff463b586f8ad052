/**
 * Freezing of accepted messages, so that a sender who goes on writing fails at its own line.
 *
 * @module
 */

/**
 * Freezes a value and all it is made of, as far as that is plain data: arrays and objects
 * without a class. Buffers cannot be frozen, and an instance (a ref, a socket) is not a value.
 * Goes through it with a list, since a message may be deep.
 *
 * @param value Any value.
 */
export function deepFreeze(value: unknown): void {
  const found: object[] = [];
  collect(value, found);
  for (const object of found) {
    Object.freeze(object);
    for (const part of Object.values(object)) collect(part, found);
  }
}

function collect(value: unknown, into: object[]): void {
  if (typeof value !== "object" || value === null || Object.isFrozen(value)) return;
  const prototype: unknown = Object.getPrototypeOf(value);
  if (Array.isArray(value) || prototype === Object.prototype || prototype === null) {
    into.push(value);
  }
}
