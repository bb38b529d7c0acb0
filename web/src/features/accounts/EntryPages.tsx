/** Log-in, registration, and the claim of a new installation. */
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { api, workspace } from "../../api/client";
import type { Account } from "../../api/types";
import { AccountForm, AccountFrame } from "./AccountForm";

const LINK = "text-accent underline-offset-2 hover:underline";

/** Where somebody wanted to go before the log-in; only within this origin. */
function goal(): string {
  const next = new URLSearchParams(location.search).get("next") ?? "/";
  // As the browser reads it: it drops tabs and line ends, takes `\` for `/`, and `/.//x` for `//x`.
  const url = URL.canParse(next, location.origin) ? new URL(next, location.origin) : null;
  return url?.origin === location.origin ? url.href : "/";
}

export function LoginPage() {
  return (
    <AccountForm
      title="Log in"
      action="Log in"
      isNew={false}
      submit={async (values) => {
        workspace.set(null);
        await api.post("/api/v1/auth/login", values);
        location.assign(goal());
      }}
      foot={
        <>
          No account yet?{" "}
          <Link to="/register" className={LINK}>
            Register
          </Link>
        </>
      }
    />
  );
}

export function RegisterPage() {
  return (
    <AccountForm
      title="Create an account"
      lead="It comes with a workspace of its own."
      action="Create account"
      isNew
      submit={async (values) => {
        workspace.set(null);
        await api.post("/api/v1/auth/register", values);
        await api.post("/api/v1/auth/login", { email: values.email, password: values.password });
        location.assign("/");
      }}
      foot={
        <>
          Registered already?{" "}
          <Link to="/login" className={LINK}>
            Log in
          </Link>
        </>
      }
    />
  );
}

export function SetupPage() {
  const [token] = useState(() => {
    const found = new URLSearchParams(location.search).get("token") ?? "";
    // The token must not stay in the address bar and the history.
    history.replaceState(history.state, "", "/setup");
    return found;
  });
  if (!token) {
    return (
      <AccountFrame title="Set up" foot={<Link to="/login" className={LINK}>Log in instead</Link>}>
        <p className="text-sm text-muted">
          Open the one-time link that the server prints when it starts. As long as nobody owns the
          installation, a restart prints a fresh one.
        </p>
      </AccountFrame>
    );
  }
  return (
    <AccountForm
      title="Set up this installation"
      lead="Make the account that owns the workspace “default”. This link works once."
      action="Create the owner's account"
      isNew
      submit={async (values) => {
        workspace.set(null);
        const account = await api.post<Account>("/api/v1/auth/setup", { ...values, token });
        // The first key, which the server has printed, belongs to this workspace.
        if (account.workspaces.some((place) => place.id === "default")) workspace.set("default");
        location.assign("/");
      }}
    />
  );
}
