/** An error of Key Vault's data plane: `{error: {code, message, innererror: {code}}}`. */
export class VaultError extends Error {
  readonly status: number;
  readonly code: string;
  readonly inner: string | undefined;
  constructor(status: number, code: string, message: string, inner?: string) {
    super(message);
    this.status = status;
    this.code = code;
    this.inner = inner;
  }

  body(): object {
    const innererror = this.inner ? { innererror: { code: this.inner } } : {};
    return { error: { code: this.code, message: this.message, ...innererror } };
  }
}

export const badParameter = (message: string): VaultError => new VaultError(400, 'BadParameter', message);

export const secretNotFound = (name: string): VaultError =>
  new VaultError(
    404,
    'SecretNotFound',
    `A secret with (name/id) ${name} was not found in this key vault. If you recently deleted this secret you may be able to recover it.`,
  );

const conflicts = {
  ObjectIsDeletedButRecoverable:
    'is currently in a deleted but recoverable state, and its name cannot be reused; in this state, the secret can only be recovered or purged.',
  ObjectIsBeingDeleted: 'is currently being deleted.',
  ObjectIsBeingRecovered: 'is currently being recovered.',
};

export const secretConflict = (name: string, inner: keyof typeof conflicts): VaultError =>
  new VaultError(409, 'Conflict', `Secret ${name} ${conflicts[inner]}`, inner);
