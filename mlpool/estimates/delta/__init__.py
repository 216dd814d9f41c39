"""From predictions to answers: averages, contrasts and their errors by the delta method."""
