import { useQuery } from "@tanstack/react-query";
import { membersQuery, meQuery } from "../../api/queries";

/** Names for `user:<id>`, `key:<id>`, `rule`, `clock` and what else acts are signed with. */
export function usePeople(): (by: string) => string {
  const me = useQuery(meQuery).data;
  const members = useQuery({ ...membersQuery, retry: false }).data;
  return (by) => {
    if (by === "rule") return "The rule";
    if (by === "clock") return "The clock";
    if (by === "erasure") return "An erasure";
    if (by === "retention") return "Retention";
    if (by === "review") return "Another review";
    if (by === "local") return "The command line";
    const [kind, id] = by.split(":");
    if (kind === "user" && id === me?.user_id) return "You";
    const member = kind === "user" ? members?.find((it) => it.user_id === id) : undefined;
    if (member) return member.display_name ?? member.email;
    return kind === "key" ? `API key ${id}` : by;
  };
}
