/** A temporary folder, removed with all it holds when it goes out of scope. */
export class TemporaryFolder implements Disposable {
  /** Where it is. */
  readonly path: string = Deno.makeTempDirSync({ prefix: "heliograph-cli-" });

  [Symbol.dispose](): void {
    Deno.removeSync(this.path, { recursive: true });
  }
}
