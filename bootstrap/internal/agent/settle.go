package agent

import "time"

// Settling is how long a new process keeps the memory that it has touched: what it gives back sooner it needs again at once, while the whole run waits for its start.
const Settling = 2 * time.Second
