/** Two ways to a model: the near one until it fails, then the far one for good. */
import type { Channel, Reply, Request, WorkerChannel } from "./protocol";

export class FallbackChannel implements WorkerChannel {
  private readonly listeners: ((event: MessageEvent<Reply>) => void)[] = [];
  private current: Channel;
  private load: Request | null = null;
  private open: Request | null = null;
  private decode: Request | null = null;

  constructor(
    private readonly near: WorkerChannel,
    private readonly far: Channel,
  ) {
    this.current = near;
    this.listen(near);
    this.listen(far);
    near.addEventListener("error", () => this.goFar());
  }

  /** Nothing is told of errors: there is the other way. */
  addEventListener(
    type: "message" | "error",
    listener: (event: MessageEvent<Reply>) => void,
  ): void {
    if (type === "message") this.listeners.push(listener);
  }

  terminate(): void {
    this.near.terminate();
  }

  postMessage(request: Request, transfer?: Transferable[]): void {
    if (request.kind === "load") this.load = request;
    else if (request.kind === "decode") this.decode = request;
    else this.open = request;
    this.current.postMessage(request, transfer);
  }

  private listen(channel: Channel): void {
    channel.addEventListener("message", (event) => {
      if (channel !== this.current) return;
      if (event.data.kind === "failed" && channel !== this.far) return this.goFar();
      if (event.data.kind === "answer") this.decode = null;
      this.listeners.forEach((listener) => listener(event));
    });
  }

  /** What was asked last is asked again, there. */
  private goFar(): void {
    if (this.current === this.far) return;
    this.current = this.far;
    for (const request of [this.load, this.open, this.decode])
      if (request) this.far.postMessage(request);
  }
}
