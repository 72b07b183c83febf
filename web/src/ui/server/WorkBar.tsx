/** An annotator's part of the top bar: what was sent back and why, another image, submit. */
import { useState } from "react";
import type { Api } from "../../api/client";
import type { StudioImage } from "../../api/wire";
import type { Sync } from "../../storage/sync";
import { Icon } from "../Icon";
import { Dialog } from "./Dialog";
import { go } from "./route";

interface Props {
  readonly api: Api;
  readonly image: StudioImage;
  /** Why a reviewer sent it back, if one did. */
  readonly reason: string | null;
  readonly sync: Sync;
  /** Save all; whether that was possible. */
  readonly finish: () => Promise<boolean>;
}

export function WorkBar({ api, image, reason, sync, finish }: Props) {
  const [isReasonOpen, setIsReasonOpen] = useState(reason !== null);
  const [isBusy, setIsBusy] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  const project = image.project_id;
  const act = (work: () => Promise<void>) => {
    setIsBusy(true);
    setProblem(null);
    work()
      .catch((error: Error) => setProblem(error.message))
      .finally(() => setIsBusy(false));
  };
  const submit = async () => {
    if (!(await finish())) return;
    await api.submit(image.id);
    await sync.finish();
    go({ screen: "work", project, image: null });
  };
  const skip = async () => {
    if (!(await finish())) return;
    const work = await api.next(project, image.id);
    go(work ? { screen: "work", project, image: work.image.id } : { screen: "images", project });
  };
  return (
    <div className="group">
      {problem && (
        <span className="problem bar-problem" role="alert" title={problem}>
          {problem}
        </span>
      )}
      {reason !== null && (
        <button type="button" onClick={() => setIsReasonOpen(true)}>
          Sent back
        </button>
      )}
      <button type="button" disabled={isBusy} onClick={() => act(skip)}>
        Skip
      </button>
      <button type="button" className="primary" disabled={isBusy} onClick={() => act(submit)}>
        <Icon name="check" /> Submit and next
      </button>
      {isReasonOpen && (
        <Dialog title="Sent back by a reviewer" onClose={() => setIsReasonOpen(false)}>
          <p className="reason">{reason}</p>
        </Dialog>
      )}
    </div>
  );
}
