import { useMutation } from "@tanstack/react-query";
import { api, workspace } from "../../api/client";
import { Button } from "../../ui/controls";
import { ErrorNote } from "../../ui/notes";

/** In without an account: recorded runs to look at, nothing to change. */
export function DemoButton() {
  const enter = useMutation({
    mutationFn: async () => {
      workspace.set(null);
      await api.post("/api/v1/auth/demo");
      location.assign("/");
    },
  });
  return (
    <>
      <Button icon="play" className="h-10 px-5 text-base" disabled={enter.isPending || enter.isSuccess} onClick={() => enter.mutate()}>
        {enter.isPending || enter.isSuccess ? "One moment…" : "View demo"}
      </Button>
      {enter.error && <div className="basis-full"><ErrorNote error={enter.error} /></div>}
    </>
  );
}
