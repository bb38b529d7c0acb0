"""What the three demos share: a client, the lines they print, and calls that are only acted."""

import json
import os
import time
import urllib.request

import exhibit

MODEL = "gpt-4o-mini"
API = os.environ.get("AUDITTRAIL_API_URL", "http://localhost:8000")
DASHBOARD = os.environ.get("AUDITTRAIL_DASHBOARD_URL", "http://localhost:3000")
#: 0 acts without waiting.
PACE = float(os.environ.get("DEMO_PACE", "1"))


class Stage:
    """One run of a demo."""

    def __init__(self, agent_name, prompt):
        self.key = os.environ.get("AUDITTRAIL_API_KEY") or os.environ.get("EXHIBIT_API_KEY", "")
        self.client = exhibit.init(self.key, API, environment="demo")
        if self.key:
            print(f"[OK] API key configured ({self.key[:12]}...)")
        self.trace = self.client.agent_trace(agent_name, MODEL, tags=["demo"], input=prompt)
        print(f"[OK] Trace registered: {self.trace.id}")
        print(f"[LIVE] Open {DASHBOARD}/traces/{self.trace.id} to watch live")

    def takes(self, seconds):
        """Time passes."""
        time.sleep(seconds * PACE)

    def says(self, call, prompt, answer, tokens_in, tokens_out):
        """A model answers, in the play."""
        call.record_input([{"role": "user", "content": prompt}])
        self.takes(0.3)
        call.record_output(answer)
        call.record_usage(tokens_in, tokens_out)

    def end(self):
        """Waits until everything is durable."""
        if self.client.flush():
            print("[LIVE] All spans sent incrementally. Trace complete.")
        else:
            print("[WARN] Not everything arrived: is the recorder up, and the key right?")

    def read(self):
        """The stored trace."""
        address = f"{API}/api/v1/traces/{self.trace.id}"
        request = urllib.request.Request(address, headers={"Authorization": f"Bearer {self.key}"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)["data"]
