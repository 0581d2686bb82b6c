#!/bin/bash
# A SLURM array: each task measures its part of the items, into one store on a file system that all nodes share.
#
#   sbatch examples/fleet/slurm.sh
#   pytest --slm-model=submissions/smollm2-135m-instruct.yml --slm-suite=core,reasoning --slm-store=cells   # the report
#
#SBATCH --job-name=slm-cells
#SBATCH --array=0-7
#SBATCH --cpus-per-task=8
#SBATCH --mem=8G
#SBATCH --time=04:00:00
#SBATCH --requeue
# Timings need a node of their own: add --exclusive, and --slm-suite=performance.

set -euo pipefail

# The part is that of SLURM_ARRAY_TASK_ID, of SLURM_ARRAY_TASK_COUNT from SLURM_ARRAY_TASK_MIN on.
# A task that is started again (--requeue, or by you) takes over what is in the store, and answers that were kept.
srun pytest \
  --slm-model="${SLM_MODEL:-submissions/smollm2-135m-instruct.yml}" \
  --slm-suite="${SLM_SUITE:-core,reasoning}" \
  --slm-data="${SLM_DATA:-mirror}" \
  --slm-shard=env \
  --slm-store="${SLM_STORE:-cells}" \
  --slm-resume
