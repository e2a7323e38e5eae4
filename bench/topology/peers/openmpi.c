/* What Open MPI takes for a collective operation: bench topology builds this with mpicc and has mpirun start it on the hosts that it measures.
   Arguments: operation, bytes of one member's data, rounds that count. Rank 0 prints a line of JSON for each of these. */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

static int rank, members;

/* The number in place i of what a member is given in a round; value in operations.go is the same. */
static float value(int round, int of, long i) { return (float)((i + round + of) % 1000); }

static double processor_time(void) {
  struct rusage used;
  getrusage(RUSAGE_SELF, &used);
  return used.ru_utime.tv_sec + used.ru_stime.tv_sec + (used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

static float expected(const char *op, int round, long i, long count) {
  if (!strcmp(op, "broadcast")) return value(round, 0, i);
  if (!strcmp(op, "scatter")) return value(round, 0, rank * count + i);
  if (!strcmp(op, "all-to-all")) return value(round, (int)(i / (count / members)), rank * (count / members) + i % (count / members));
  if (!strcmp(op, "all-reduce")) {
    float sum = 0;
    for (int of = 0; of < members; of++) sum += value(round, of, i);
    return sum;
  }
  return value(round, (int)(i / count), i % count); /* gather, all-gather */
}

int main(int argc, char **argv) {
  MPI_Init(&argc, &argv);
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &members);
  if (argc != 4) MPI_Abort(MPI_COMM_WORLD, 2);
  const char *op = argv[1];
  long count = atol(argv[2]) / (long)sizeof(float);
  int rounds = atoi(argv[3]);
  if (!strcmp(op, "all-to-all")) count = count / members * members;
  long given = count, results = 0; /* in place, unless it says otherwise */
  if (!strcmp(op, "scatter")) given = rank == 0 ? count * members : 0, results = count;
  if (!strcmp(op, "gather")) results = rank == 0 ? count * members : 0;
  if (!strcmp(op, "all-gather")) results = count * members;
  if (!strcmp(op, "all-to-all")) results = count;
  if (!strcmp(op, "barrier")) given = count = 0;
  float *in = malloc((given + 1) * sizeof(float)), *out = malloc((results + 1) * sizeof(float));
  if (!in || !out) MPI_Abort(MPI_COMM_WORLD, 3);
  for (int round = 0; round <= rounds; round++) {
    for (long i = 0; i < given; i++) in[i] = value(round, rank, i);
    MPI_Barrier(MPI_COMM_WORLD);
    double used = processor_time(), began = MPI_Wtime();
    if (!strcmp(op, "broadcast")) MPI_Bcast(in, count, MPI_FLOAT, 0, MPI_COMM_WORLD);
    else if (!strcmp(op, "all-reduce")) MPI_Allreduce(MPI_IN_PLACE, in, count, MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD);
    else if (!strcmp(op, "gather")) MPI_Gather(in, count, MPI_FLOAT, out, count, MPI_FLOAT, 0, MPI_COMM_WORLD);
    else if (!strcmp(op, "scatter")) MPI_Scatter(in, count, MPI_FLOAT, out, count, MPI_FLOAT, 0, MPI_COMM_WORLD);
    else if (!strcmp(op, "all-gather")) MPI_Allgather(in, count, MPI_FLOAT, out, count, MPI_FLOAT, MPI_COMM_WORLD);
    else if (!strcmp(op, "all-to-all")) MPI_Alltoall(in, count / members, MPI_FLOAT, out, count / members, MPI_FLOAT, MPI_COMM_WORLD);
    else if (!strcmp(op, "barrier")) MPI_Barrier(MPI_COMM_WORLD);
    else MPI_Abort(MPI_COMM_WORLD, 4);
    double mine[2] = {MPI_Wtime() - began, 0}, slowest, all;
    mine[1] = processor_time() - used;
    float *result = !strcmp(op, "broadcast") || !strcmp(op, "all-reduce") ? in : out;
    long length = result == in ? count : results;
    int wrong = 0, wrongs;
    for (long i = 0; i < length && !wrong; i++) wrong = result[i] != expected(op, round, i, count);
    MPI_Reduce(&mine[0], &slowest, 1, MPI_DOUBLE, MPI_MAX, 0, MPI_COMM_WORLD);
    MPI_Reduce(&mine[1], &all, 1, MPI_DOUBLE, MPI_SUM, 0, MPI_COMM_WORLD);
    MPI_Reduce(&wrong, &wrongs, 1, MPI_INT, MPI_SUM, 0, MPI_COMM_WORLD);
    if (rank == 0 && round > 0) printf("{\"seconds\":%.9f,\"processors\":%.6f,\"wrong\":%d}\n", slowest, all, wrongs);
  }
  MPI_Finalize();
  return 0;
}
