package hold

// Variable is the one variable by which a started process knows what part of a host it is. It carries no secret.
const Variable = "TLAUNCH_HOST"
