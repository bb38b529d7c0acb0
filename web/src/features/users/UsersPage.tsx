import { useNavigate, useSearch } from "@tanstack/react-router";
import { Page } from "../../shell/Page";
import { Breakdown } from "../overview/Breakdown";
import type { RangeSearch } from "../overview/fns/range";
import { RangePicker } from "../overview/RangePicker";

/** The people whom agents work for. */
export function UsersPage() {
  const search = useSearch({ strict: false }) as RangeSearch;
  const navigate = useNavigate();
  return (
    <Page title="Users" lead="The end users that traces name" actions={<RangePicker search={search} onChange={(next) => void navigate({ to: "/users", search: next as never })} />}>
      <Breakdown title="All users" by="user" search={search} most={100} full />
    </Page>
  );
}
