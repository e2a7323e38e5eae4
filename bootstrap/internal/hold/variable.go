package hold

// Variable is the one variable by which a started process knows what part of a host it is. It carries no secret.
const Variable = "TLAUNCH_HOST"

// RoleInit begins the value of [Variable] in an init; what follows are its orders.
const RoleInit = "init"
